package awsiid_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

// A payload that AWS signed in 2021, checked with AWS's own certificate.
func ExampleCollector_Verify() {
	payload, err := os.ReadFile("../../testdata/evidence/aws-iid-us-west-2-rsa2048.json")
	if err != nil {
		log.Fatal(err)
	}
	collector, err := awsiid.New(awsiid.Options{})
	if err != nil {
		log.Fatal(err)
	}
	evidence, err := collector.Verify(context.Background(), payload)
	if err != nil {
		log.Fatal(err)
	}
	claims := evidence.Claims().(awsiid.Claims)
	fmt.Println(evidence.Identity())
	fmt.Println(claims.AvailabilityZone, claims.InstanceType, claims.SignatureKind)

	forged := bytes.ReplaceAll(payload, []byte("278576220453"), []byte("123456789012"))
	_, err = collector.Verify(context.Background(), forged)
	fmt.Println(err)
	// Output:
	// aws/278576220453/i-078517ca8a70a1dde
	// us-west-2a t2.medium rsa2048
	// awsiid: rsa2048: what is signed is not the document
}
