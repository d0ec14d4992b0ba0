"""The lanes' queue, on either database: what waits where (`waiting`), which lane is runnable, and who may work it.

`threads` is the queue within one process, over rows of the store; `jobs` the one that processes share, by procrastinate on
PostgreSQL; `locks` hold one lane or several, always in the order of their ids. `rows` are the questions both ask.
"""
