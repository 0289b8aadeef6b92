"""The commands of `askonce`, one a file: NAME, HELP, add_arguments and run; DEFAULTS, where its are others."""
