-- programme: The programme as it is.
SELECT timezone FROM programme;
