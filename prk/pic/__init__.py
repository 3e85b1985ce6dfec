"""PIC: particles that drift over a mesh of fixed charges, and their load with them."""
