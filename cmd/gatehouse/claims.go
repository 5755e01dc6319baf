package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/attestor/serverconf"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
)

func newClaims() *cobra.Command {
	group := newGroup("claims", "Look at claims and first uses in their database, and correct them")
	group.AddCommand(newClaimsList(), newClaimsForget())
	return group
}

const claimsHelp = `

The database is that of the block claims in --config, or the one that --dsn names:
host=… user=… dbname=…, or a URL. A password in --dsn shows in the list of
processes; leave it to PGPASSWORD or a pgpass file.`

// claimsDatabase is how the commands find the database.
type claimsDatabase struct{ config, plugin, dsn string }

func (d *claimsDatabase) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.config, "config", "", "a server.conf, or a file of plugin_data, with a block claims")
	cmd.Flags().StringVar(&d.plugin, "plugin", "", "whose plugin_data, where a server.conf has several")
	cmd.Flags().StringVar(&d.dsn, "dsn", "", "a connection string in place of --config")
}

func (d *claimsDatabase) check() error {
	switch {
	case d.config == "" && d.dsn == "":
		return usageErrorf("say which database: --config or --dsn")
	case d.config != "" && d.dsn != "":
		return usageErrorf("--config excludes --dsn")
	case d.dsn != "" && d.plugin != "":
		return usageErrorf("--plugin is for --config")
	}
	return nil
}

func (d *claimsDatabase) open() (*postgres.DB, error) {
	options, err := d.options()
	if err != nil {
		return nil, err
	}
	options.MaxConnections, options.Timeout = 1, time.Minute // a person waits, and there may be many
	return postgres.Open(options)
}

func (d *claimsDatabase) options() (postgres.Options, error) {
	if d.dsn != "" {
		return postgres.Options{ConnectionString: d.dsn}, nil
	}
	texts, err := d.pluginData()
	if err != nil {
		return postgres.Options{}, err
	}
	var found []postgres.Options
	for _, text := range texts {
		options, ok, err := attestor.ClaimsDatabase(text)
		if err != nil {
			return postgres.Options{}, fmt.Errorf("%s: %w", d.config, err)
		}
		options.Timeout, options.TTL, options.Hold, options.MaxConnections = 0, 0, 0, 0
		if ok && (len(found) == 0 || found[0] != options) {
			found = append(found, options)
		}
	}
	switch len(found) {
	case 0:
		return postgres.Options{}, fmt.Errorf("%s: has no claims { backend = \"postgres\" … }: in memory, claims can't be looked at from outside", d.config)
	case 1:
		return found[0], nil
	}
	return postgres.Options{}, usageErrorf("%s has several databases for claims: say --plugin", d.config)
}

// pluginData returns the plugin_data in the file: its own text if it is that.
func (d *claimsDatabase) pluginData() ([]string, error) {
	text, err := readFile(d.config)
	if err != nil {
		return nil, err
	}
	conf, err := serverconf.Parse(string(text))
	if err != nil || !conf.HasPlugins {
		return []string{string(text)}, nil // what is wrong with it, its reader will say
	}
	var texts []string
	for _, plugin := range conf.Plugins {
		if plugin.Type != serverconf.NodeAttestor || d.plugin != "" && plugin.Name != d.plugin {
			continue
		}
		data := plugin.Data
		if plugin.DataFile != "" {
			text, err := readFile(plugin.DataFile)
			if err != nil {
				return nil, err
			}
			data = string(text)
		}
		texts = append(texts, data)
	}
	return texts, nil
}

func newClaimsList() *cobra.Command {
	var database claimsDatabase
	var answer answer
	limit := 1000
	cmd := &cobra.Command{
		Use:   "list [AGENT-ID | MACHINE]...",
		Short: "List the claims that are held, and the first uses that are remembered",
		Long: `Lists the claims that are held, and the first uses that are remembered: all of
them, or those of the agents and machines that you name.` + claimsHelp +
			exitCodes("there it is", "there is nothing, of those names or at all", "the database can't be asked"),
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := errors.Join(answer.check(), database.check()); err != nil {
				return err
			}
			if limit < 1 {
				return usageErrorf("--limit must be at least 1")
			}
			db, err := database.open()
			if err != nil {
				return err
			}
			defer db.Close()
			records, err := db.List(cmd.Context(), names, limit)
			if err != nil {
				return err
			}
			if err := answer.give(cmd, records, func(p *page) { listRecords(p, records) }); err != nil {
				return err
			}
			if len(records.Claims) == 0 && len(records.FirstUses) == 0 {
				return errNo
			}
			return nil
		},
	}
	database.flags(cmd)
	answer.flag(cmd)
	cmd.Flags().IntVar(&limit, "limit", limit, "how many of each to list at most")
	return cmd
}

func listRecords(p *page, records postgres.Records) {
	for _, c := range records.Claims {
		state := "attesting"
		if c.Kept {
			state = "accepted"
		}
		p.printf("claim      %s\n           agent %s, %s, until %s\n", p.bold(shown(c.Machine)), shown(c.AgentID), p.warn(state), c.Expires.Format(time.RFC3339))
	}
	listFirstUses(p, "first use", records.FirstUses)
	if records.More {
		p.printf("%s\n", p.faint("… and more: raise --limit, or name agents or machines"))
	}
}

func listFirstUses(p *page, what string, uses []postgres.FirstUse) {
	for _, f := range uses {
		from, times := "", "once"
		if f.PeerIP != "" {
			from = " from " + f.PeerIP
		}
		if f.Uses != 1 {
			times = fmt.Sprintf("%d times, last at %s", f.Uses, f.LastTime.Format(time.RFC3339))
		}
		p.printf("%-10s %s\n           agent %s, first at %s%s, %s\n", what, p.bold(shown(f.Machine)), shown(f.AgentID), f.Time.Format(time.RFC3339), shown(from), times)
	}
}

func newClaimsForget() *cobra.Command {
	var database claimsDatabase
	var answer answer
	var unused time.Duration
	cmd := &cobra.Command{
		Use:   "forget {AGENT-ID | MACHINE}... | --unused DURATION",
		Short: "Forget what agent a machine became first, so that it may become another",
		Long: `Forgets the first uses of the agents and machines that you name, or of all machines
that were not let in for so long. Such a machine may become another agent; SPIRE still
knows the one that it was, until that is evicted. Claims are left alone: they run out.` + claimsHelp +
			exitCodes("forgotten", "there was nothing to forget", "the database can't be asked"),
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := errors.Join(answer.check(), database.check()); err != nil {
				return err
			}
			switch set := cmd.Flags().Changed("unused"); {
			case set == (len(names) > 0):
				return usageErrorf("name agents or machines, or give --unused")
			case set && unused <= 0:
				return usageErrorf("--unused must be more than 0")
			}
			db, err := database.open()
			if err != nil {
				return err
			}
			defer db.Close()
			var forgotten []postgres.FirstUse
			if unused > 0 {
				forgotten, err = db.ForgetUnused(cmd.Context(), unused)
			} else {
				forgotten, err = db.Forget(cmd.Context(), names)
			}
			if err != nil {
				return err
			}
			document := struct {
				Forgotten []postgres.FirstUse `json:"forgotten"`
			}{forgotten}
			if err := answer.give(cmd, document, func(p *page) { listFirstUses(p, "forgotten", forgotten) }); err != nil {
				return err
			}
			if len(forgotten) == 0 {
				return errNo
			}
			return nil
		},
	}
	database.flags(cmd)
	answer.flag(cmd)
	cmd.Flags().DurationVar(&unused, "unused", 0, "forget machines that were not let in for that long, such as 2160h")
	return cmd
}
