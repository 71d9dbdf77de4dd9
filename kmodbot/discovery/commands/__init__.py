"""The commands of this room: each has ``add_arguments(parser)`` and ``run(arguments)``."""
