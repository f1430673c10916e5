"""What every command does alike at the terminal: help, --quiet and --json, failures, the next command."""
