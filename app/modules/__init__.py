"""Feature modules. Each is a folder with the same anatomy and a `register(app, registry)`; MODULES switches it on.

Modules never import each other: what one needs of another is an event, or a protocol in app/core.
"""
