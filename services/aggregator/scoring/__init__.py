"""What an advocate's day scores in a contest, decided anew from what is stored whenever that has changed."""
