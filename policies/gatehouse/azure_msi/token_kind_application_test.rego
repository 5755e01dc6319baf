package gatehouse.azure_msi_test

import data.gatehouse.azure_msi

_user_reason(id_type, scopes, object_id) := {"rule": "token_kind", "msg": concat("", [
	$"the token of principal {principal} is not an application's: ",
	$"idtyp {id_type}, scp {scopes}, oid {object_id}",
])}

_scopes_shown := `["user_impersonation"]`

_users := {
	"a user's": {"change": {"id_type": "user"}, "want": _user_reason("user", "<undefined>", principal)},
	"a user's, with scopes": {
		"change": {"id_type": "user", "scopes": ["user_impersonation"]},
		"want": _user_reason("user", _scopes_shown, principal),
	},
	"an application's, with scopes": {
		"change": {"scopes": ["user_impersonation"]},
		"want": _user_reason("app", _scopes_shown, principal),
	},
	"upper case": {"change": {"id_type": "App"}, "want": _user_reason("App", "<undefined>", principal)},
	"trailing space": {"change": {"id_type": "app "}, "want": _user_reason("app ", "<undefined>", principal)},
	"empty": {"change": {"id_type": ""}, "want": _user_reason("", "<undefined>", principal)},
	"null": {"change": {"id_type": null}, "want": _user_reason("null", "<undefined>", principal)},
}

test_token_kind_user_cases if count(_users) == 7

test_token_kind_denies_users[name] if {
	some name, tc in _users
	azure_msi.admission_violation == {tc.want} with data.gatehouse.config as config
		with input as changed(admission_input, "evidence", object.union(evidence, tc.change))
}

# Without idtyp, as in tokens for an API of one's own.
_users_of_own_api := {
	"scopes": {
		"change": {"scopes": ["user_impersonation"]},
		"want": _user_reason("<undefined>", _scopes_shown, principal),
	},
	"another object": {
		"change": {"object_id": tenant},
		"want": _user_reason("<undefined>", "<undefined>", tenant),
	},
	"object in upper case, which the collector never makes": {
		"change": {"object_id": upper(principal)},
		"want": _user_reason("<undefined>", "<undefined>", upper(principal)),
	},
	"idtyp says user": {
		"change": {"id_type": "user"},
		"want": _user_reason("user", "<undefined>", principal),
	},
}

test_token_kind_user_of_own_api_cases if count(_users_of_own_api) == 4

test_token_kind_denies_users_of_own_api[name] if {
	some name, tc in _users_of_own_api
	azure_msi.admission_violation == {tc.want} with data.gatehouse.config as own_api
		with input as changed(admission_input, "evidence", object.union(nameless, tc.change))
}

test_token_kind_denies_a_missing_object_of_own_api if {
	azure_msi.admission_violation == {_user_reason("<undefined>", "<undefined>", "<undefined>")}
		with data.gatehouse.config as own_api
		with input as changed(admission_input, "evidence", object.remove(nameless, ["object_id"]))
}

_applications := {
	"nothing but the principal": nameless,
	"idtyp": object.union(nameless, {"id_type": "app"}),
	"idtyp, no oid": object.union(object.remove(nameless, ["object_id"]), {"id_type": "app"}),
	"subject in upper case": object.union(nameless, {"principal_id": upper(principal)}),
}

test_token_kind_application_cases if count(_applications) == 4

test_token_kind_accepts_applications_of_own_api[name] if {
	some name, claims in _applications
	azure_msi.admission_violation == set() with data.gatehouse.config as own_api
		with input as changed(admission_input, "evidence", claims)
}
