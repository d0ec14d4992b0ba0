"""What a payer or CMS can change on a date: rules in TOML, tables in CSV, no code. README.md says what lies where."""
