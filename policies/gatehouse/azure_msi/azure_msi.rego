# METADATA
# title: Attestation of Azure machines by their managed identity's token
# description: |
#   Decides whether an Azure machine becomes an agent, under which path, and with
#   which selectors. Two rules are asked for answers: admission, from the signed
#   token alone, before anything is asked of Azure; and decision, when the facts
#   are there, or nobody could be asked for them.
#
#   A check is a file of its own that adds to the sets declared here. A file at the
#   same relative path replaces a baseline file; any other adds to them.
#
#   Write a check in the safe direction: deny unless the good case is proven, so
#   that a missing value denies. Beware of negated calls: where input.x is missing,
#   "not input.x in {1, 2}" and "not startswith(input.x, y)" are undefined, not
#   true. Put the good case in a rule of its own and negate that rule. Only
#   "not input.x == y" is true for a missing input.x. In a message, $"… {input.x}"
#   shows a missing value; sprintf would undo the violation.
# scope: subpackages
# schemas:
#   - input: schema.azure_msi
#   - data.gatehouse.config: schema.azure_msi_config
#   - data.gatehouse.azure_msi.tenants: schema.azure_msi_tenants
package gatehouse.azure_msi

# METADATA
# title: Answer before Azure is asked
# description: |
#   Reasons to refuse that show in the token already, the facts to gather for
#   the decision, and the agent path; agent_path is left out while it is undefined.
# entrypoint: true
admission := object.union(
	{
		"violations": admission_violation,
		"exempt": exempt,
		"facts": {"required": required_fact, "optional": optional_fact},
	},
	{"agent_path": path | path = agent_path},
)

# METADATA
# title: Final answer
# description: |
#   Every reason to refuse, those of the admission again among them, and what the
#   agent becomes when there is none left: its path, its selectors, and whether it
#   may attest again.
# entrypoint: true
decision := object.union(
	{
		"violations": (admission_violation | violation),
		"exempt": exempt,
		"selectors": selector,
		"can_reattest": can_reattest,
		"warnings": warning,
	},
	{"agent_path": path | path = agent_path},
)

# METADATA
# title: Reasons to refuse, from signed evidence
# description: |
#   Objects of rule and msg, and "transient": true where the reason passes by
#   itself and the node may try again. May read the evidence, the configuration, the peer,
#   the time and input.tofu, never input.facts: it is asked before they are there.
# scope: document
admission_violation contains reason if {
	input.plugin == ""
	some reason in _none
}

# METADATA
# title: Reasons to refuse, from facts
# description: Objects of rule and msg. Asked once the facts have been gathered.
# scope: document
violation contains reason if {
	input.plugin == ""
	some reason in _none
}

# METADATA
# title: Exceptions
# description: Names of rules that do not deny this node. Each use is logged and counted.
# scope: document
exempt contains rule if {
	input.plugin == ""
	some rule in _none
}

# METADATA
# title: Facts that the decision rests on
# description: Names of facts. If one of them can't be learned, nothing is decided.
# scope: document
required_fact contains name if {
	input.plugin == ""
	some name in _none
}

# METADATA
# title: Facts that are good to have
# description: Names of facts. If one of them can't be learned, the decision is made without it.
# scope: document
optional_fact contains name if {
	input.plugin == ""
	some name in _none
}

# METADATA
# title: Selectors
# description: Selector values without the type prefix azure_msi, as SPIRE stores them.
# scope: document
selector contains value if {
	input.plugin == ""
	some value in _none
}

# METADATA
# title: Remarks
# description: Objects of rule and msg that are logged and counted, and deny nothing.
# scope: document
warning contains reason if {
	input.plugin == ""
	some reason in _none
}

# METADATA
# title: May the agent attest again?
# description: |
#   False: first use decides. An agent that may attest again must do so, for SPIRE
#   then refuses to renew its SVID.
# scope: document
default can_reattest := false

# What the sets above hold while no file adds to them. That no input has such a
# plugin spares OPA, which looks at that first, a look at each of them.
_none := set()
