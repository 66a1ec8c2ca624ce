//! Scripts of the board.
