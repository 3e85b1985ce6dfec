"""How a program's processes are started: the launcher's words, and what it has to be told by variables."""

import os
import shlex
from collections.abc import Mapping

# Open MPI's and MPICH's launcher take the same words for this much.
MPIRUN = "mpirun -n {ranks}"
UNBOUND = ("--bind-to", "none")
# Open MPI refuses to run as root, and on more ranks than cores, unless told that it is meant.
AS_ROOT = {
    f"{prefix}_ALLOW_RUN_AS_ROOT{suffix}": "1" for prefix in ("OMPI", "PRTE") for suffix in ("", "_CONFIRM")
}
OVERSUBSCRIBED = {
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}
# What Open MPI's launcher says, once in thousands of starts on a busy machine, when it has started nothing.
UNSTARTED = "listener thread failed to start"
# A job that was submitted without its submitter's environment would keep its own from its steps, even PATH.
WHOLE = {"SLURM_EXPORT_ENV": "ALL"}


def words(layout: Mapping[str, int], template: str = "", unbound: bool = False) -> list[str]:
    """Return the words before the program's own that start the processes of a layout.

    `template` is a site's launcher, as "srun -n {ranks}", with the keys of the layout; without one it is
    mpirun. `unbound` processes are not bound to a core each: they divide their cores themselves.
    """
    started = [word.format(**layout) for word in shlex.split(template or MPIRUN)]
    return [*started, *(UNBOUND if unbound and not template else ())]


def environment(oversubscribed: bool) -> dict[str, str]:
    """Return the variables that let MPI start here: as root, in a job, oversubscribed if that is meant."""
    return {
        **(AS_ROOT if os.geteuid() == 0 else {}),
        **(WHOLE if "SLURM_JOB_ID" in os.environ else {}),
        **(OVERSUBSCRIBED if oversubscribed else {}),
    }


def at_a_terminal(variables: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a person sits at this step of Slurm, as under `srun --pty bash`.

    Its variables then are no launcher's: what is started there is not what Slurm started.
    """
    try:
        return os.readlink(f"/proc/{variables['SLURM_TASK_PID']}/fd/0").startswith("/dev/pts/")
    except (KeyError, OSError):
        return False
