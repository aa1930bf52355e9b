# For one protected-PCIe system, handed in whole: all of its GPUs and all of its switches, naming each other and nobody
# else.
#
# Hopper firmware from before the multi-GPU mode was reported states none; that does not deny, since the links the
# devices report close the system without it. A GPU that states another mode denies.
package pogw

import rego.v1

revocation := {"mode": "cached", "max_age_s": 86400, "allow_hold": false}

# ---- DATA: the system. As shipped, an HGX board of 8 GPUs and 4 switches. -------------------------------------------

expected_gpus := 8

expected_switches := 4

# ---- RULES ----------------------------------------------------------------------------------------------------------

# The multi-GPU mode of protected PCIe.
protected_pcie := 2

gpus := [device | some device in input.devices; device.kind == "gpu"]

switches := [device | some device in input.devices; device.kind == "switch"]

# As in default.rego: about a software device no responder can be asked.
tolerated(evidence, "revocation") if {
	evidence.simulated == true
	evidence.checks.revocation.status == "unverifiable"
}

deny contains {"code": code, "message": message} if {
	some device, evidence in input.devices
	some id, check in evidence.checks
	check.status in {"refuted", "unverifiable"}
	not tolerated(evidence, id)
	code := sprintf("%s_%s", [id, check.status])
	message := sprintf("device %d: %s is %s", [device, id, check.status])
}

deny contains {"code": code, "message": message} if {
	some id, check in input.checks
	check.status in {"refuted", "unverifiable"}
	code := sprintf("%s_%s", [id, check.status])
	message := sprintf("%s is %s", [id, check.status])
}

deny contains {"code": "gpu_count", "message": message} if {
	count(gpus) != expected_gpus
	message := sprintf("expected %d GPUs, got %d", [expected_gpus, count(gpus)])
}

deny contains {"code": "switch_count", "message": message} if {
	count(switches) != expected_switches
	message := sprintf("expected %d switches, got %d", [expected_switches, count(switches)])
}

deny contains {"code": "feature_flag_mismatch", "message": message} if {
	some gpu, evidence in gpus
	stated := object.get(evidence, "feature_flag", null)
	stated != null
	stated != protected_pcie
	message := sprintf("GPU %d: expected multi-GPU mode %d, got %v", [gpu, protected_pcie, stated])
}

# `not_requested`, as it is for GPUs alone, will not do.
deny contains {"code": "topology_not_affirmed", "message": message} if {
	not input.checks.topology.status == "affirmed"
	message := "it was not found that the devices name each other and nobody else"
}
