"""Who stands where in a contest, and who wins what: one way for now, for the past and for the end."""
