"""Where wire calls become `Call`s and `Reply`s become wire answers. Nothing else imports a server."""
