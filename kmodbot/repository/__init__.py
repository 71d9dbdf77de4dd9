"""A driver's repository: what ``kmodbot init`` puts there, and the single files it runs.

The files themselves belong to the room that runs them; here they are only read and placed.
"""
