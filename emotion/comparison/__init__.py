"""Two revisions of the project compared: is the network better, and the report on a pull request that says so."""
