"""What runs in children: each module has `perform(request, output)`, plain data in and plain data out.

A module imports the libraries of its own interpreter inside its functions or at its head; nothing else imports it.
"""
