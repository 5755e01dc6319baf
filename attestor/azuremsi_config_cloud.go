package attestor

import (
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

// azureClouds are the names of clouds in plugin_data, and in package azuremsi.
func azureClouds() map[string]string {
	return map[string]string{"public": "public", "usgovernment": "usgov", "china": "china"}
}

const endpointWanted = `must be a server's URL, such as "https://login.example.org", without path or query; http is for this machine only`

// buildAzureCloud reads which cloud signs tokens, and where its Resource Manager
// is. The environment's authority counts where plugin_data names none, as it does
// for Azure's SDK.
func buildAzureCloud(o *plugindata.Object, env func(string) string) (azuremsi.Cloud, string) {
	name := textOr(o, "cloud", "")
	config := azuremsi.CloudConfig{
		Name:                    azureClouds()[name],
		Authority:               textOr(o, "authority", ""),
		ResourceManager:         textOr(o, "resource_manager", ""),
		ResourceManagerAudience: textOr(o, "resource_manager_audience", ""),
	}
	if name == "" && config.Authority == "" {
		config.AuthorityHost = env(authorityHostVariable)
	}
	// NewCloud's errors show values, and problems don't. So each key is tried alone.
	fine := true
	try := func(part azuremsi.CloudConfig, key, problem string, args ...any) {
		if _, err := azuremsi.NewCloud(part); err != nil {
			o.Problem(key, problem, args...)
			fine = false
		}
	}
	if name != "" && config.Name == "" {
		o.Problem("cloud", "must be public, usgovernment or china")
		fine = false
	}
	try(azuremsi.CloudConfig{Authority: config.Authority}, "authority", endpointWanted)
	try(azuremsi.CloudConfig{AuthorityHost: config.AuthorityHost}, "authority", "is not there, and %s "+endpointWanted, authorityHostVariable)
	try(azuremsi.CloudConfig{ResourceManager: config.ResourceManager}, "resource_manager", endpointWanted)
	if config.ResourceManagerAudience != "" && lacks(o, "resource_manager") {
		o.Problem("resource_manager_audience", "needs resource_manager")
		fine = false
	}
	if fine {
		try(config, "authority", "is that of another cloud; remove authority or cloud")
	}
	if !fine {
		return azuremsi.Cloud{}, ""
	}
	cloud, err := azuremsi.NewCloud(config)
	if err != nil {
		return azuremsi.Cloud{}, "" // was tried above
	}
	for own, theirs := range azureClouds() {
		if theirs == cloud.Name() {
			name = own
		}
	}
	return cloud, name
}
