"""`askonce batch`: a file of questions becomes a file of answers, whatever dies meanwhile.

Each line of the input has a job id of its own, made of the run and the line's number. So submitting a line again is
never a second question, its result is found again under that id, and no table of what was submitted is needed. What is
on disk stands in the journal; between the two there is nothing that a crash could lose.
"""
