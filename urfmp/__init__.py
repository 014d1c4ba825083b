"""The project: its base layer, and the layers that join the apps.

Apps import the base layer:

- `common`: tenancy, model fields, HTTP, Redis, security, rendering, and the bases of admin and API
- `db`: the database backend, migration operations and the job worker

The other packages join the apps, which never import them:

- `pages`: the admin site and pages that join several apps
- `live`: the process that streams events
- `servers`: the HTTP servers of the web and live processes
- `demo`: the demo fleet
- `settings`, `api_settings`, `urls`, `wsgi`: configuration of the processes

`embedded`, which runs PostgreSQL and Redis without an installation, and `env` are independent of
Django's apps.
"""
