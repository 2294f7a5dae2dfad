"""The engine, its clients, their network and its disk in one process, in virtual time, with faults drawn from a seed."""
