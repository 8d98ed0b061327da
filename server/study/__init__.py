"""A study at the trial office: its run, its state on disk, its results and what is made of them."""
