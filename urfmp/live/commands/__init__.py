"""The hand-over of commands to robots that wait for them.

`arrivals` authenticates robots, `endpoint` answers a robot's poll with its next command, and
`stream` sends a robot its commands as events. `waiting` knows the robots that wait at this process,
and `wakeups` wakes them when a command is due. The database decides which command is handed over;
everything here may be lost without losing a command.
"""
