await Campaigns.Simulator.SimulatorHost.Build(args).RunAsync();
