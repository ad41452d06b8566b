"""A Marathon in memory, with the parts of DC/OS's front door that clients of it need.

It follows Marathon 1.10 where a client can notice: what an update loses, what locks, what a deployment does and
does not say. Nothing runs in the background; time passes when somebody looks.
"""
