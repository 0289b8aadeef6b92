"""`askonce batch`: turns a file of questions into a file of answers, and resumes a killed run where it stopped.

Each input line has a job id made of the run and the line's number. Submitting a line again is therefore never a second
question, its result can be found again under that id, and no table of submitted lines is needed. The journal records
which lines are on disk.
"""
