"""Files of untrusted people are parsed in a process of their own, which may die without harm."""
