-- A claim is one row, so that it is taken whole or not at all: both names are
-- unique. times are by this server's clock.
CREATE TABLE gatehouse_claims (
    owner    uuid        PRIMARY KEY, -- a token of the attestation's own
    agent_id text        NOT NULL UNIQUE,
    machine  text        NOT NULL UNIQUE,
    kept     boolean     NOT NULL DEFAULT false, -- after an accept
    expires  timestamptz NOT NULL
);

CREATE INDEX gatehouse_claims_expires ON gatehouse_claims (expires);

-- What agent a machine became first; kept until an operator has it forgotten.
CREATE TABLE gatehouse_first_uses (
    machine   text        PRIMARY KEY,
    agent_id  text        NOT NULL,
    used      timestamptz NOT NULL,
    peer_ip   text        NOT NULL, -- empty when unknown
    uses      bigint      NOT NULL,
    last_used timestamptz NOT NULL
);

CREATE INDEX gatehouse_first_uses_agent_id ON gatehouse_first_uses (agent_id);
