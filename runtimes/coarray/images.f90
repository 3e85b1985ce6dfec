! What an image does to the memory and the events of others: all that is Coarray Fortran's own.
!
! Python and the code that Numba compiles call these functions by their names or addresses; each returns 0.
! Members, positions and events count from 0.
module images
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: event_type
  implicit none
  private

  ! Bytes, so that arrays of every type can lie in it.
  integer(c_int8_t), allocatable, target :: memory(:)[:]
  type(event_type), allocatable, target :: events(:)[:]
  ! How often each event has been posted and not yet been waited for.
  integer(c_int), pointer, volatile :: counts(:) => null()
  ! OpenCoarrays counts bytes and elements as a C int.
  integer(c_int64_t), bind(c, name="caf_piece"), public :: piece = 2_c_int64_t**30

contains

  ! Collective, as what is allocated has the same size on all images.
  integer(c_int) function reserve(bytes, number, address) bind(c, name="caf_reserve") result(code)
    integer(c_int64_t), value :: bytes, number
    type(c_ptr), intent(out) :: address
    address = c_null_ptr
    allocate (memory(0:bytes - 1)[*], stat=code)
    if (code == 0) allocate (events(0:number - 1)[*], stat=code)
    if (code /= 0) return
    address = c_loc(memory)
    call c_f_pointer(c_loc(events), counts, [number])
  end function

  ! Collective.
  integer(c_int) function release() bind(c, name="caf_release") result(code)
    deallocate (memory, events, stat=code)
  end function

  integer(c_int) function put(first, length, source, member) bind(c, name="caf_put") result(code)
    integer(c_int64_t), value :: first, length
    integer(c_int8_t), intent(in) :: source(0:length - 1)
    integer(c_int), value :: member
    integer(c_int64_t) :: start, last
    do start = 0, length - 1, piece
      last = min(start + piece, length) - 1
      memory(first + start:first + last)[member + 1] = source(start:last)
    end do
    code = 0
  end function

  integer(c_int) function get(first, length, into, member) bind(c, name="caf_get") result(code)
    integer(c_int64_t), value :: first, length
    integer(c_int8_t), intent(in out) :: into(0:length - 1)
    integer(c_int), value :: member
    integer(c_int64_t) :: start, last
    do start = 0, length - 1, piece
      last = min(start + piece, length) - 1
      into(start:last) = memory(first + start:first + last)[member + 1]
    end do
    code = 0
  end function

  integer(c_int) function post(event, member) bind(c, name="caf_post") result(code)
    integer(c_int64_t), value :: event
    integer(c_int), value :: member
    event post (events(event)[member + 1], stat=code)
  end function

  ! Whoever waits looks at this first, and gives its core away meanwhile: OpenCoarrays' event wait keeps it for
  ! 20,000 looks, and then sleeps, longer every time.
  integer(c_int) function posted(event) bind(c, name="caf_posted") result(times)
    integer(c_int64_t), value :: event
    times = counts(event + 1)
  end function

  integer(c_int) function take(event, times) bind(c, name="caf_take") result(code)
    integer(c_int64_t), value :: event
    integer(c_int), value :: times
    event wait (events(event), until_count=times, stat=code)
  end function

  integer(c_int) function wait_for_all() bind(c, name="caf_sync_all") result(code)
    sync all (stat=code)
  end function

  integer(c_int) function wait_for(members, number) bind(c, name="caf_sync_images") result(code)
    integer(c_int64_t), value :: number
    integer(c_int), intent(in) :: members(number)
    sync images (members + 1, stat=code)
  end function

  ! With a root less than 0, all members have the sums.
  integer(c_int) function sum_singles(values, number, root) bind(c, name="caf_sum_singles") result(code)
    integer(c_int64_t), value :: number
    real(c_float), intent(in out) :: values(0:number - 1)
    integer(c_int), value :: root
    integer(c_int64_t) :: start, last
    code = 0
    do start = 0, number - 1, piece
      last = min(start + piece, number) - 1
      if (root < 0) then
        call co_sum(values(start:last), stat=code)
      else
        call co_sum(values(start:last), result_image=root + 1, stat=code)
      end if
      if (code /= 0) return
    end do
  end function

  integer(c_int) function sum_doubles(values, number, root) bind(c, name="caf_sum_doubles") result(code)
    integer(c_int64_t), value :: number
    real(c_double), intent(in out) :: values(0:number - 1)
    integer(c_int), value :: root
    integer(c_int64_t) :: start, last
    code = 0
    do start = 0, number - 1, piece
      last = min(start + piece, number) - 1
      if (root < 0) then
        call co_sum(values(start:last), stat=code)
      else
        call co_sum(values(start:last), result_image=root + 1, stat=code)
      end if
      if (code /= 0) return
    end do
  end function
end module
