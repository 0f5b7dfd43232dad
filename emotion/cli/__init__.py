"""The command `emotion`: its subcommands and what they print."""
