"""`python -m askonce_worker`."""

from askonce_worker import main

main()
