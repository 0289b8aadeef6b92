"""The commands of `askonce`, one per file: NAME, HELP, EXAMPLES, add_arguments and run; DEFAULTS of its own, if any."""
