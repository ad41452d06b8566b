"""How hypothesis goes about it: no deadline, since the machine may be busy with something else."""

from hypothesis import HealthCheck, settings

settings.register_profile("usual", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")
