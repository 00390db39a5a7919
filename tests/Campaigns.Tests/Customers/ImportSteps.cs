using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Customers;
using Campaigns.Customers.Import;
using Campaigns.Json;
using Campaigns.Operations;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Customers;

/// <summary>Files on their way in, as the bank's backend sends them.</summary>
internal static class ImportSteps
{
    /// <summary>id and balance, from columns of these names.</summary>
    public static ImportMapping IdAndBalance =>
        new()
        {
            Id = new ImportId { Column = "id" },
            Columns = [Attribute("balance")],
        };

    public static ImportColumn Attribute(string column, string? name = null, bool optional = false) =>
        new()
        {
            Column = column,
            To = ImportTarget.Attribute,
            Name = name ?? column,
            Optional = optional,
        };

    public static Task DeclareAsync(this ApiHost api, string field, FieldType type = FieldType.Number) =>
        api.As(Role.Backend).PutAsync($"/v1/fields/{field}", new FieldBody { Type = type }).ReadAsync<Field>();

    public static Task MapAsync(this ApiHost api, ImportMapping mapping, string id = "bank") =>
        api.As(Role.Backend).PutAsync($"/v1/imports/mappings/{id}", mapping).ReadAsync<ImportMapping>();

    public static Task<HttpResponseMessage> SendFileAsync(
        this ApiHost api,
        byte[] file,
        string contentType = "text/csv",
        string query = "mapping=bank"
    ) => api.SendFileAsync(new ByteArrayContent(file), contentType, query);

    public static Task<HttpResponseMessage> SendFileAsync(
        this ApiHost api,
        HttpContent file,
        string contentType = "text/csv",
        string query = "mapping=bank"
    )
    {
        file.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        return api.As(Role.Backend).PostAsync(new Uri($"/v1/imports/customers?{query}", UriKind.Relative), file);
    }

    public static Task<ImportResult> ImportAsync(this ApiHost api, string file, string query = "mapping=bank") =>
        api.ImportAsync(Encoding.UTF8.GetBytes(file), query: query);

    /// <summary>Sends the file and waits until it is merged.</summary>
    public static async Task<ImportResult> ImportAsync(
        this ApiHost api,
        byte[] file,
        string contentType = "text/csv",
        string query = "mapping=bank"
    )
    {
        var operation = await api.FinishedAsync(
            await api.SendFileAsync(file, contentType, query).ReadAsync<Operation>()
        );
        Assert.True(operation.State == OperationState.Succeeded, operation.Failure?.Detail);
        return operation.Result!.Value.Deserialize<ImportResult>(ProductJson.Options)!;
    }

    public static Task<Operation> FinishedAsync(this ApiHost api, Operation operation) =>
        Eventually.BeAsync(
            () =>
                api.As(Role.Backend)
                    .GetAsync(new Uri($"/v1/operations/{operation.Id}", UriKind.Relative))
                    .ReadAsync<Operation>(),
            now => now.State != OperationState.Running,
            "the file is merged",
            TimeSpan.FromSeconds(60)
        );

    public static async Task<T> ScalarAsync<T>(this ApiHost api, string sql)
    {
        await using var connection = await api.Database.DataSource.OpenConnectionAsync();
        return (await connection.ExecuteScalarAsync<T>(sql))!;
    }
}
