await Campaigns.Simulator.SimulatorHost.RunAsync(args);
