"""What the tests stand on: real servers, waiting, requirements, and the rules of the layout."""
