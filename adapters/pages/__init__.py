"""What people see in a browser: pages made on the server, read from records; FastAPI routes and Jinja2 templates."""
