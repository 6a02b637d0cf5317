"""What a lift reports, and the record we keep of it. Imports none of the other rooms."""
