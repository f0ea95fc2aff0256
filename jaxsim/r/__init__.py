"""R and pymer4 in processes of their own: lme4's opinion, from outside, and R functions that a user wrote.

R never runs in this process: it is single-threaded, does not survive a fork next to JAX, and may crash. :class:`jaxsim.r.pool.Pool`
fits many datasets, and :func:`jaxsim.r.shared.shared_pool` is one for several users. Nothing here loads JAX: the workers must not.
"""
