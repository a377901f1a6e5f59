"""What ``call`` can call, one file each, registered as ``flow function`` under its name.

A function is ``build(compiler, arguments, place)``, which gives what is performed; its arguments are a struct, so that
an unknown or a missing one is refused with its place before anything runs.
"""
