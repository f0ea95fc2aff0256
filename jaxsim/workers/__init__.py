"""Processes that work for this one: R with pymer4 (:mod:`jaxsim.r`), or Python functions of a user.

What runs in them may be slow, print, crash or never end: that costs one task. :class:`jaxsim.workers.pool.Pool` holds processes of
any kind, :mod:`jaxsim.workers.functions` calls Python functions in them. Nothing here loads JAX or R.
"""
