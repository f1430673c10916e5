"""python -m domainkit: the command line."""

from domainkit.cli import main

main()
