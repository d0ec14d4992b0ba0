"""What leaves as text: the JSON lines of the contract, tables for people, explanations as trees."""
