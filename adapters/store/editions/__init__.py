"""Table editions outside the working database: built aside, known by the digest of their rows, kept while cited.

`place` says where they lie, `sqlite` and `postgres` keep them, `rows` what a row is there, `tables` answers from those in
force, `journal` reads which these are, `copying` takes them from one place to another, `kept` is the way in.
"""
