package attestor

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	testauthority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// Attacks on what reads a payload, and on what is asked about its node.

func TestAttackSecondReading(t *testing.T) {
	s := newAWSScene(t, "")
	good := string(genuine(t).json(t))
	forged := genuine(t, of("210987654321", "i-0b22a22eec53b9321")).Document
	for name, payload := range map[string]string{
		"a key twice":           strings.Replace(good, "{", fmt.Sprintf(`{"document":%q,`, forged), 1),
		"a key in another case": strings.Replace(good, "{", fmt.Sprintf(`{"Document":%q,`, forged), 1),
		"an escaped key twice":  strings.Replace(good, "{", fmt.Sprintf(`{"\u0064ocument":%q,`, forged), 1),
		"an unknown key":        strings.Replace(good, "{", `{"region":"us-east-1",`, 1),
		"more after it":         good + "{}",
		"null for a text":       strings.Replace(good, "{", `{"document":null,`, 1),
		"a list":                "[" + good + "]",
	} {
		t.Run(name, func(t *testing.T) {
			s.refuses(t, []byte(payload), badEvidenceFor("verify: awsiid: payload: "))
		})
	}
	for name, document := range map[string]string{
		"signed, a key twice":           strings.Replace(forged, "{", `{"accountId":"123456789012",`, 1),
		"signed, a key in another case": strings.Replace(forged, "{", `{"AccountId":"123456789012",`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			p := sign(t, "us-west-2", []byte(document), testauthority.Envelope{})
			s.refuses(t, p.json(t), badEvidenceFor(`verify: awsiid: document: key "`))
		})
	}
}

func TestAttackExhaustion(t *testing.T) {
	s := newAWSScene(t, "")
	nested := genuine(t)
	nested.RSA2048 = testauthority.Base64(bytes.Repeat([]byte{0x30, 0x80}, 6<<10))
	counted := genuine(t)
	counted.RSA2048 = testauthority.Base64([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0})
	huge := genuine(t)
	huge.RSA2048 = testauthority.Base64(bytes.Repeat([]byte{0x30, 0x80}, 400<<10))
	for name, tc := range map[string]struct {
		payload []byte
		want    string
	}{
		"BER, nested":             {nested.json(t), "verify: awsiid: rsa2048: BER: nested deeper than 16 levels"},
		"BER of 800 KB":           {huge.json(t), "verify: awsiid: payload of "},
		"a length of gigabytes":   {counted.json(t), "verify: awsiid: rsa2048: BER: a length beyond all bounds"},
		"a payload of a megabyte": {append(genuine(t).json(t), bytes.Repeat([]byte(" "), 1<<20)...), "verify: awsiid: payload of "},
		"JSON, nested":            {[]byte(strings.Repeat(`{"document":`, 5000)), "verify: awsiid: payload: "},
		"nothing":                 {nil, "verify: the payload is empty"},
	} {
		t.Run(name, func(t *testing.T) { s.refuses(t, tc.payload, badEvidenceFor(tc.want)) })
	}
}

// organization is plugin_data that asks for membership of an organization.
const organization = `verify_organization { management_account_id = "777777777777" assume_org_role = "lister" }`

// TestAttackQuotaBurn: documents of foreign accounts make the organization's list
// be fetched, once for all of them; a member that joined since is not refused for
// that.
func TestAttackQuotaBurn(t *testing.T) {
	t.Parallel() // it waits until the list may be fetched again
	s := newAWSScene(t, organization)
	s.cloud.members = []string{"123456789012"}
	s.admits(t, genuine(t).json(t))
	instances, payloads := s.cloud.instances, [][]byte{}
	for n := range 7 {
		account, id := fmt.Sprintf("9999999999%02d", n), fmt.Sprintf("i-%017x", n)
		instance := instances[0]
		instance.InstanceId = &id
		s.cloud.instances = append(s.cloud.instances, instance)
		payloads = append(payloads, genuine(t, of(account, id)).json(t))
	}
	s.cloud.members = append(s.cloud.members, "999999999906") // the last has joined
	before, began := s.cloud.lists.Load(), time.Now()
	got := make([]codes.Code, len(payloads))
	var all sync.WaitGroup
	for n, payload := range payloads {
		all.Go(func() {
			_, err := s.attest(t, payload)
			got[n] = status.Code(err)
		})
	}
	all.Wait()
	want := append(slices.Repeat([]codes.Code{codes.PermissionDenied}, 6), codes.OK)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// Once in ten seconds at most, of which a busy machine may need more.
	if lists, most := s.cloud.lists.Load()-before, 1+int64(time.Since(began)/(10*time.Second)); lists > most {
		t.Errorf("seven nodes had the organization listed %d times, want %d at most", lists, most)
	}
}

// TestAttackOutsideTheAllowlist: an account that is not let in costs nothing.
func TestAttackOutsideTheAllowlist(t *testing.T) {
	s := newAWSScene(t, `allowed_account_ids = ["123456789012"] assume_role = "reader" `+organization)
	s.refuses(t, genuine(t, of("210987654321", "i-0b22a22eec53b9321")).json(t), deniedBy("account", 0))
}

// TestAttackChosenEndpoint: nothing in a document can choose a host to call.
func TestAttackChosenEndpoint(t *testing.T) {
	s := newAWSScene(t, "")
	for _, region := range []string{"us-west-2.evil.example", "evil.example/", "us-west-2@evil.example", "127.0.0.1", "us-west-2#", "us-west-2%2f"} {
		p := genuine(t)
		p = sign(t, "us-west-2", []byte(strings.Replace(p.Document, `"us-west-2"`, fmt.Sprintf("%q", region), 1)), testauthority.Envelope{})
		s.refuses(t, p.json(t), badEvidenceFor(`verify: awsiid: document: region `))
	}
}

// TestAttackMissingFacts: what can't be learned, or is not there, is a refusal.
func TestAttackMissingFacts(t *testing.T) {
	t.Run("the instance is not known", func(t *testing.T) {
		s := newAWSScene(t, "")
		s.cloud.instances = nil
		s.refuses(t, genuine(t).json(t), deniedBy("instance_state", 1))
	})
	t.Run("the answer is about another instance", func(t *testing.T) {
		s := newAWSScene(t, "")
		s.cloud.instances[0].InstanceId = aws.String("i-0b22a22eec53b9322")
		s.refuses(t, genuine(t).json(t), refused{codes.Unavailable, "unavailable", "gather: fact instance: ", 1})
	})
	t.Run("EC2 fails", func(t *testing.T) {
		s := newAWSScene(t, "")
		s.cloud.err = errors.New("throttled")
		s.refuses(t, genuine(t).json(t), refused{codes.Unavailable, "unavailable", "gather: fact instance: ", 1})
	})
	t.Run("the account is no member", func(t *testing.T) {
		s := newAWSScene(t, organization)
		s.refuses(t, genuine(t).json(t), deniedBy("organization", 2))
	})
	t.Run("Organizations fails", func(t *testing.T) {
		s := newAWSScene(t, organization)
		s.cloud.err = errors.New("throttled")
		s.refuses(t, genuine(t).json(t), refused{codes.Unavailable, "unavailable", "gather: fact instance: ", 2})
	})
	t.Run("no tag for the path", func(t *testing.T) {
		s := newAWSScene(t, `agent_path_template = "/{{ .PluginName }}/{{ .Tags.missing }}/{{ .InstanceID }}"`)
		s.refuses(t, genuine(t).json(t), deniedBy("agent_path_template", 1))
	})
	t.Run("no instance for the path's tags", func(t *testing.T) {
		s := newAWSScene(t, `agent_path_template = "/{{ .PluginName }}/{{ .Tags.Name }}/{{ .InstanceID }}"`)
		s.cloud.instances = nil
		s.refuses(t, genuine(t).json(t), refused{codes.PermissionDenied, "denied", "agent_path_template: the path needs facts, and there is no instance", 1})
	})
}

// TestAttackVolumeSwap: EC2's answers about volumes and interfaces, odd ones too.
func TestAttackVolumeSwap(t *testing.T) {
	launch := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	eth := func(index int32, at time.Time) ec2types.InstanceNetworkInterface {
		return ec2types.InstanceNetworkInterface{NetworkInterfaceId: aws.String("eni-1"),
			Attachment: &ec2types.InstanceNetworkInterfaceAttachment{DeviceIndex: &index, AttachTime: &at}}
	}
	volume := func(name string, at time.Time) ec2types.InstanceBlockDeviceMapping {
		return ec2types.InstanceBlockDeviceMapping{DeviceName: &name, Ebs: &ec2types.EbsInstanceBlockDevice{VolumeId: aws.String("vol-1"), AttachTime: &at}}
	}
	for name, tc := range map[string]struct {
		change  func(*ec2types.Instance)
		refused bool
	}{
		"as launched":      {func(*ec2types.Instance) {}, false},
		"60 seconds apart": {func(i *ec2types.Instance) { i.BlockDeviceMappings[0] = volume("/dev/xvda", launch.Add(60*time.Second)) }, false},
		"61 seconds apart": {func(i *ec2types.Instance) { i.BlockDeviceMappings[0] = volume("/dev/xvda", launch.Add(61*time.Second)) }, true},
		"61 seconds before": {func(i *ec2types.Instance) {
			i.BlockDeviceMappings[0] = volume("/dev/xvda", launch.Add(-61*time.Second))
		}, true},
		"interfaces unordered": {func(i *ec2types.Instance) {
			i.NetworkInterfaces = append([]ec2types.InstanceNetworkInterface{eth(1, launch.Add(time.Hour))}, i.NetworkInterfaces...)
		}, false},
		"no primary interface":  {func(i *ec2types.Instance) { i.NetworkInterfaces = []ec2types.InstanceNetworkInterface{eth(1, launch)} }, true},
		"no interface":          {func(i *ec2types.Instance) { i.NetworkInterfaces = nil }, true},
		"no attachment":         {func(i *ec2types.Instance) { i.NetworkInterfaces[0].Attachment = nil }, true},
		"no device index":       {func(i *ec2types.Instance) { i.NetworkInterfaces[0].Attachment.DeviceIndex = nil }, true},
		"no attach time":        {func(i *ec2types.Instance) { i.NetworkInterfaces[0].Attachment.AttachTime = nil }, true},
		"a volume without EBS":  {func(i *ec2types.Instance) { i.BlockDeviceMappings[0].Ebs = nil }, true},
		"no root device's name": {func(i *ec2types.Instance) { i.RootDeviceName = nil }, true},
		"no volumes":            {func(i *ec2types.Instance) { i.BlockDeviceMappings = nil }, true},
		"an instance store": {func(i *ec2types.Instance) {
			i.BlockDeviceMappings, i.RootDeviceType = nil, ec2types.DeviceTypeInstanceStore
		}, false},
		"two volumes by one name": {func(i *ec2types.Instance) {
			i.BlockDeviceMappings = append(i.BlockDeviceMappings, volume("/dev/xvda", launch.Add(time.Hour)))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAWSScene(t, "")
			s.configure(t, `disable_instance_profile_selectors = true`)
			i := &s.cloud.instances[0]
			i.RootDeviceName, i.RootDeviceType = aws.String("/dev/xvda"), ec2types.DeviceTypeEbs
			i.NetworkInterfaces = []ec2types.InstanceNetworkInterface{eth(0, launch)}
			i.BlockDeviceMappings = []ec2types.InstanceBlockDeviceMapping{volume("/dev/xvda", launch)}
			tc.change(i)
			if tc.refused {
				s.refuses(t, genuine(t).json(t), deniedBy("block_device", 1))
			} else {
				s.admits(t, genuine(t).json(t))
			}
		})
	}
}
