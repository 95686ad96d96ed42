"""Plans: a function's launches, recorded once and replayed without Python. `nncore.capture` makes them."""
