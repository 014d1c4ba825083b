"""The project: its base layer, and the layers that join the apps.

Apps import the base layer:

- `common`: tenancy, model fields, HTTP, Redis, security, rendering, and the bases of admin and API
- `db`: the database backend, migration operations and the job worker

Everything else imports apps, and apps never import it:

- `pages`: the admin site and pages that join several apps
- `live`: the process that streams events
- `servers`: the HTTP servers of the web and live processes
- `demo`, `embedded`: the demo, and PostgreSQL and Redis without an installation
- `settings`, `api_settings`, `env`, `urls`, `wsgi`: configuration of the processes
"""
