"""`askonce batch`: a file of questions becomes a file of answers, and a run that was killed goes on where it was.

Each line of the input has a job id made of the run and the line's number. Submitting a line again is therefore never a
second question, its result is found again under that id, and no table of what was submitted is needed. The journal says
which lines are on disk.
"""
