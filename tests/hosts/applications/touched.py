"""What the harness touches, so that a development server loads its application anew."""

ANSWER = b"the shop is open\n"
