package azuremsi_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

func Example() {
	key := entra.NewKey("2026-03")
	authority := entra.New(key)
	cloud, err := azuremsi.NewCloud(azuremsi.CloudConfig{Name: "public"})
	if err != nil {
		panic(err)
	}
	collector, err := azuremsi.New(azuremsi.Options{
		Cloud:             cloud,
		HTTPClient:        &http.Client{Transport: authority},
		DefaultCredential: azuremsi.NoCredential,
	})
	if err != nil {
		panic(err)
	}
	token := authority.Issue(key, entra.Machine{
		Tenant:          "9e85e111-1103-48fc-a933-9533fe47de05",
		Principal:       "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a",
		ManagedIdentity: "/subscriptions/0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11/resourcegroups/web/providers/Microsoft.Compute/virtualMachines/web-1",
	}, time.Now()).Sign()

	verified, err := collector.Verify(context.Background(), []byte(`{"token":"`+token+`"}`))
	if err != nil {
		panic(err)
	}
	claims := verified.Claims().(azuremsi.Claims)
	fmt.Println(claims.Audience, claims.IdentityKind, claims.Machine.Name)
	fmt.Println(verified.Gather(context.Background(), []string{"virtual_machine"})["virtual_machine"].Status)
	// Output:
	// https://management.azure.com/ system_assigned web-1
	// not_collected
}
